"""How fast are points decoded, by block and beside the library's own pipeline?"""
