"""Steps of learned sets, beside those of the code that the methods' authors published."""
