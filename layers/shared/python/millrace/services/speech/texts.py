"""Speech of a whole text."""

from collections.abc import AsyncGenerator

from millrace.errors import InvalidRequest
from millrace.services.speech.limits import check_length, check_time
from millrace.services.speech.order import Speaking
from millrace.speech.sentences import clean, says_something, sentences_of


async def sentences_to_speak(
    speaking: Speaking, text: str, deadline: float | None
) -> AsyncGenerator[str, None]:
    """Validate a text and return its sentences.

    Raises `InvalidRequest` if there is nothing to speak or the engine lacks its language, and `TooLarge` if
    it cannot be finished before `deadline`.
    """
    said = clean(text)
    if not says_something(said):
        raise InvalidRequest("The text contains nothing to speak.", code="empty_text")
    await speaking.check_languages(said)
    bytes_per_second = speaking.format.bytes_per_second(speaking.sample_rate)
    check_length(said, speaking.speed, bytes_per_second, speaking.engine.paid, deadline)
    return _each(said, speaking, deadline)


async def _each(text: str, speaking: Speaking, deadline: float | None) -> AsyncGenerator[str, None]:
    for sentence in sentences_of(text, speaking.language, speaking.longest):
        check_time(deadline)
        yield sentence
