"""The classifier driver that needs nothing but this machine: linear heads on an embedder's vectors.

One logistic regression for each category, on the vector of a text; longer texts are judged piece
by piece, and the worst piece counts. The heads were trained from example sentences that lie in
the repository, English and Korean (`tools/train_moderation.py`, which also measures them). It is
small, and its quality is what docs/operating/moderation.md says, no more. It reads text alone:
images are refused.
"""

from bailee.drivers.classifier_embedded.classifier import EmbeddedClassifier
from bailee.drivers.classifier_embedded.heads import Heads, packaged_heads

__all__ = ["EmbeddedClassifier", "Heads", "packaged_heads"]
