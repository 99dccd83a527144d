"""The plots of a report, as SVG inside the page."""
