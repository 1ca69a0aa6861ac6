"""Wire types of why a workspace does not do what is expected of it."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from nixos_workspaces.model.service import Sentence
from nixos_workspaces.model.why.explanation import Check, Explanation, Line, NextAction, NextStep, Outcome, Question
from nixos_workspaces.schemas.wire import Answer, SentenceAnswer


class EvidenceAnswer(Answer):
    """One observation."""

    sentence: str
    said: SentenceAnswer

    @classmethod
    def of(cls, sentence: Sentence) -> Self:
        """Convert."""
        return cls(sentence=sentence.text, said=SentenceAnswer.of(sentence))


class NextStepAnswer(Answer):
    """The next step."""

    action: NextAction
    sentence: str
    command: str = Field(description="A command line; empty where there is none.")
    link: str = Field(description="A path of the browser's pages; empty where there is none.")
    said: SentenceAnswer

    @classmethod
    def of(cls, step: NextStep) -> Self:
        """Convert."""
        said = SentenceAnswer.of(step.said)
        return cls(action=step.action, sentence=step.said.text, command=step.command, link=step.link, said=said)


class CheckAnswer(Answer):
    """One line of the specification's section "Troubleshooting", and what was found."""

    line: Line
    title: str
    outcome: Outcome = Field(description="good, bad, or unknown where it could not be looked at.")
    sentence: str
    said: SentenceAnswer

    @classmethod
    def of(cls, check: Check) -> Self:
        """Convert."""
        return cls(
            line=check.line,
            title=check.line.sentence.text,
            outcome=check.outcome,
            sentence=check.finding.text,
            said=SentenceAnswer.of(check.finding),
        )


class WhyAnswer(Answer):
    """Why a workspace does not run, is slow or is not reached, in one sentence."""

    question: Question | None = Field(description="The complaint that is answered; null where nothing is wrong.")
    code: str = Field(description="Of the sentence; stable.")
    sentence: str
    said: SentenceAnswer
    evidence: list[EvidenceAnswer]
    next: NextStepAnswer
    checks: list[CheckAnswer] = Field(description="Each line of the specification's troubleshooting, in its order.")

    @classmethod
    def of(cls, why: Explanation) -> Self:
        """Convert."""
        return cls(
            question=why.question,
            code=why.said.code,
            sentence=why.said.text,
            said=SentenceAnswer.of(why.said),
            evidence=[EvidenceAnswer.of(one) for one in why.evidence],
            next=NextStepAnswer.of(why.next),
            checks=[CheckAnswer.of(one) for one in why.checks],
        )
