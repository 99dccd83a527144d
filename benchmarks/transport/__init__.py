"""Does transport guidance bring a class's images nearer to its weighted points?"""
