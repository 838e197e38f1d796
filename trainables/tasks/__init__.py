"""What is learnt: the `Task` contract, for the built-in tasks and for a user's own alike.

from trainables.tasks import Classification, InMemory, Metric, Splits, Task, hold_out
"""

from trainables.data.in_memory import InMemory
from trainables.data.parts import Part, Splits, hold_out
from trainables.tasks.classification import Classification
from trainables.tasks.task import Task
from trainables.vocabulary.declarations import Metric

__all__ = ["Classification", "InMemory", "Metric", "Part", "Splits", "Task", "hold_out"]
