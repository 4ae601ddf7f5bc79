"""For tests of code that uses razorg: links that can be broken, and faults by script.

``memory://`` addresses are for tests as well; docs/testing.md tells more.
"""

from razorg.testing.chaos import ChaosProxy
from razorg.testing.faults import Faults
from razorg.testing.scripted import ScriptedFaults

__all__ = ["ChaosProxy", "Faults", "ScriptedFaults"]
