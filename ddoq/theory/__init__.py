"""What does the theory say that can be measured, and does it hold here?"""

from ddoq.theory.command import main as main
