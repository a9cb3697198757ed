"""weigh: is this really better, by how much, at what cost, and where?"""

from weigh._version import __version__ as __version__
