"""One benchmark, from its ground to its figures."""

import importlib
import inspect

from benchmarks.ground import Ground, machine


def measure(name, large):
    """(the figures of one benchmark, what it ran on); each figure is said as soon as it is there."""
    found = []
    with Ground() as ground:
        run = importlib.import_module(f"benchmarks.{name}").run
        wishes = {"large": large} if "large" in inspect.signature(run).parameters else {}
        for figure in run(ground, **wishes):
            found.append(figure)
            print(
                f"{'ok ' if figure.holds else 'NO '} {figure.what}: {figure.ours} ({figure.baseline}) {figure.ratio}  goal {figure.goal}",
                flush=True,
            )
        return found, machine()
