"""Plain inline SVG: axes, lines, bars and labels, coloured by the page's style sheet. No script, nothing loaded."""

import html
from collections.abc import Sequence
from dataclasses import dataclass, field

Points = Sequence[tuple[float, float]]


@dataclass
class Plot:
    """A rectangle with its own scales inside a drawing; `left`, `top`, `width`, `height` in pixels."""

    left: float
    top: float
    width: float
    height: float
    x: tuple[float, float]
    y: tuple[float, float]
    parts: list[str] = field(default_factory=list)

    def at_x(self, value: float) -> float:
        begin, end = self.x
        return self.left + (value - begin) / ((end - begin) or 1) * self.width

    def at_y(self, value: float) -> float:
        begin, end = self.y
        return self.top + self.height - (value - begin) / ((end - begin) or 1) * self.height

    def line(self, points: Points, style: str) -> None:
        """Draw straight lines through points; what is above the plot is cut."""
        shown = [(x, min(y, self.y[1])) for x, y in points]
        path = " ".join(f"{self.at_x(x):.1f},{self.at_y(y):.1f}" for x, y in shown)
        self.parts.append(f'<polyline class="{style}" points="{path}"/>')

    def bars(self, values: Points, width: float, style: str, *, base: Sequence[float] = (), hint: str = "") -> None:
        """Draw a bar from (x, y) on for each value that is not 0; `base` lifts each one, `hint` names its unit."""
        for number, (x, y) in enumerate(values):
            low = base[number] if base else 0.0
            if y:
                top, bottom = self.at_y(min(low + y, self.y[1])), self.at_y(low)
                size = f'width="{width / (self.x[1] - self.x[0]) * self.width:.1f}" height="{bottom - top:.1f}"'
                title = f"<title>{y:g} {html.escape(hint)}</title>" if hint else ""
                self.parts.append(f'<rect class="{style}" x="{self.at_x(x):.1f}" y="{top:.1f}" {size}>{title}</rect>')

    def text(self, x: float, y: float, text: str, style: str = "", *, anchor: str = "start") -> None:
        """Write at a point given in pixels."""
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{style}">{html.escape(text)}</text>'
        )

    def mark(self, x: float, text: str, style: str, *, up: float = 0) -> None:
        """Draw a vertical line at a value of x, its label on top, `up` pixels above the plot."""
        at = self.at_x(x)
        self.parts.append(
            f'<line class="{style}" x1="{at:.1f}" x2="{at:.1f}" y1="{self.top - up:.1f}" '
            f'y2="{self.top + self.height:.1f}"/>'
        )
        if text:
            self.text(at + 4, self.top - up + 9, text, "small")

    def level(self, y: float, text: str, style: str) -> None:
        """Draw a horizontal line at a value of y with its label above it, on the right."""
        at = self.at_y(y)
        right = self.left + self.width
        self.parts.append(f'<line class="{style}" x1="{self.left}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}"/>')
        self.text(right - 4, at - 5, text, "small", anchor="end")

    def axis_x(self, ticks: Sequence[tuple[float, str]]) -> None:
        bottom = self.top + self.height
        self.parts.append(
            f'<line class="axis" x1="{self.left}" x2="{self.left + self.width}" y1="{bottom}" y2="{bottom}"/>'
        )
        for value, label in ticks:
            at = self.at_x(value)
            self.parts.append(f'<line class="axis" x1="{at:.1f}" x2="{at:.1f}" y1="{bottom}" y2="{bottom + 4}"/>')
            self.text(at, bottom + 16, label, "small", anchor="middle")

    def axis_y(self, ticks: Sequence[tuple[float, str]]) -> None:
        for value, label in ticks:
            at = self.at_y(value)
            right = self.left + self.width
            self.parts.append(f'<line class="grid" x1="{self.left}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}"/>')
            self.text(self.left - 6, at + 4, label, "small", anchor="end")


def drawing(width: float, height: float, plots: Sequence[Plot], label: str) -> str:
    """Return an <svg> element with the plots; `label` is for those who cannot see it."""
    inside = "\n".join(part for plot in plots for part in plot.parts)
    return f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{html.escape(label)}">\n{inside}\n</svg>'


def nice(top: float) -> list[float]:
    """Return round values from 0 to at least `top`, three to six of them."""
    if top <= 0:
        return [0.0, 1.0]
    unit = 10.0 ** (len(str(int(top))) - 1) if top >= 1 else 0.1
    step = next(s for s in (unit / 5, unit / 2, unit, 2 * unit, 5 * unit) if top / s <= 5)
    values = [0.0]
    while values[-1] < top:
        values.append(round(values[-1] + step, 9))
    return values
