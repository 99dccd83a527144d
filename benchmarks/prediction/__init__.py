"""Does a set's distance to unseen latents predict what students learn from it?"""
