"""All claims, by name."""

from .data import DATA
from .following import FOLLOWING
from .harness import Claim
from .lines import LINES
from .link import LINK
from .progress import PROGRESS
from .streams import STREAMS

CLAIMS: dict[str, Claim] = {claim.name: claim for claim in (*STREAMS, *DATA, *LINK, *PROGRESS, *LINES, *FOLLOWING)}
