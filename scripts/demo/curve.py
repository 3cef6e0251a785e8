"""What did learning look like? A picture of it.

Owns the axes and colours. Refuses to smooth: every point is one that was measured.
"""

from __future__ import annotations

import io
from pathlib import Path

from demo.training import EVERY, History
from gpt2tok import files

TRAINING, HELD_OUT, UNIGRAM = "#7aa7e0", "#c2410c", "#6b7280"


def draw(history: History, unigram: float, title: str, path: Path) -> None:
    """Write the picture, a PNG.

    Args:
        history: of the training.
        unigram: the simplest forecast's bits per byte, to compare with.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    # A point of training is a mean over steps, and stands in the middle of them.
    axes.plot(
        [step - EVERY / 2 for step, _ in history.training],
        [bits for _, bits in history.training],
        color=TRAINING,
        label="training",
    )
    axes.plot(*zip(*history.held_out, strict=True), "o-", color=HELD_OUT, label="held out")
    axes.axhline(unigram, color=UNIGRAM, linestyle="--", label="by how common a token is, held out")
    axes.set(xlabel="steps", ylabel="bits per byte", title=title, xlim=(0, None), ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend()
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    files.write_atomically(path, picture.getvalue())
