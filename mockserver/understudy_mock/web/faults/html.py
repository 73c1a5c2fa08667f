"""The error page of a proxy in between: 504 and HTML, whatever was asked."""

from __future__ import annotations

from understudy_mock.domain.call import HTML, Answer
from understudy_mock.domain.scenario import Entry
from understudy_mock.web.faults.wire import Wire

_PAGE = (
    b"<html>\r\n<head><title>504 Gateway Time-out</title></head>\r\n"
    b"<body>\r\n<center><h1>504 Gateway Time-out</h1></center>\r\n</body>\r\n</html>\r\n"
)


async def play(wire: Wire, answer: Answer, entry: Entry) -> Answer:
    """Send the page in the place of the answer."""
    page = Answer(504, _PAGE, [HTML], answer.fault)
    await wire.send(page)
    return page
