"""How a model is quantized: the settings of one attempt, and what a choice among attempts found."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from rtl.spec.errors import BadInput

from .ranges import CALIBRATORS
from .scheme import WEIGHT_BITS

METHODS = ("auto", *CALIBRATORS)
ROUNDINGS = ("nearest", "adaround")


@dataclass(frozen=True)
class Recipe:
    """The settings of the quantizer.

    Members
    -------
    method : str
        The calibrator, one of ``CALIBRATORS``; or ``auto`` in a wish, which leaves it open.
    percentile : float
        For the method of that name: the share of values below the upper limit, and above the lower one.
    equalize, correct_biases, clip_weights : bool or None
        Cross-layer equalization; bias correction; weights clipped for least squared error. None in a wish: with
        ``auto`` as measured, otherwise off.
    weight_bits : int
        8 or 4.
    rounding : str
        Of weights: ``nearest`` or ``adaround``; '' in a wish: nearest with 8 bits, adaround with 4.
    """

    method: str = "auto"
    percentile: float = 99.99
    equalize: bool | None = None
    correct_biases: bool | None = None
    clip_weights: bool | None = None
    weight_bits: int = 8
    rounding: str = ""

    def settled(self) -> "Recipe":
        """Return the wish with everything filled in that does not need a measurement.

        Raises
        ------
        BadInput
            If a setting is not what it must be.
        """
        if self.method not in METHODS:
            raise BadInput(f"method: expected one of {', '.join(METHODS)}, not '{self.method}'")
        if not 50 < self.percentile <= 100:
            raise BadInput(f"percentile: expected a number above 50, up to 100, not {self.percentile}")
        if self.weight_bits not in WEIGHT_BITS:
            raise BadInput(f"weight bits: expected 8 or 4, not {self.weight_bits}")
        if self.rounding not in ("", *ROUNDINGS):
            raise BadInput(f"rounding: expected one of {', '.join(ROUNDINGS)}, not '{self.rounding}'")
        recipe = replace(self, rounding=self.rounding or ROUNDINGS[self.weight_bits < 8])
        if self.method == "auto":
            return recipe
        return replace(
            recipe,
            equalize=bool(self.equalize),
            correct_biases=bool(self.correct_biases),
            clip_weights=bool(self.clip_weights),
        )

    def __str__(self) -> str:
        parts = [f"percentile {self.percentile}" if self.method == "percentile" else self.method]
        switches = [(self.equalize, "equalized"), (self.clip_weights, "clipped weights")]
        parts += [word for on, word in [*switches, (self.correct_biases, "corrected biases")] if on]
        return ", ".join(parts)

    def document(self) -> dict[str, object]:
        """Return the settings for the model's metadata."""
        result: dict[str, object] = {
            "method": self.method,
            "equalization": bool(self.equalize),
            "bias_correction": bool(self.correct_biases),
            "weight_clipping": bool(self.clip_weights),
            "weight_bits": self.weight_bits,
            "weight_rounding": self.rounding,
        }
        if self.method == "percentile":
            result["percentile"] = self.percentile
        return result


@dataclass(frozen=True)
class Choice:
    """A recipe, and the score of every recipe that was tried for it (in dB, see ``auto.score``)."""

    recipe: Recipe
    scores: Mapping[str, float]
