"""A page of results that stands by itself: figures, words, and what puts them together."""

from powermkt.report import figures
from powermkt.report.page import Report, report_of

__all__ = ["Report", "figures", "report_of"]
