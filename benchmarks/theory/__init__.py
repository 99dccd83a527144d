"""What does the theory say that can be measured, and does it hold here?"""
