"""How good are a prior's samples, by the teacher and against real images?"""
