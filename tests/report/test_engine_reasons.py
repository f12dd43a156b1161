"""Each code of an engine's plan has a sentence."""

import pytest

from agent.core.docker.verify import Fault, FaultCode
from agent.core.model.engine_plan import Block, EngineWarning, EngineWhy, Notice
from agent.report.engine_faults import fault_sentences
from agent.report.engine_reasons import block_sentence, warning_sentence


@pytest.mark.parametrize("why", EngineWhy)
def test_each_block_has_a_sentence_with_its_parameters(why: EngineWhy) -> None:
    assert "27.3.1" in block_sentence(Block(why=why, values=("27.3.1",)))


@pytest.mark.parametrize("code", EngineWarning)
def test_each_warning_has_a_sentence(code: EngineWarning) -> None:
    assert warning_sentence(Notice(code=code, values=("web",)))


@pytest.mark.parametrize("code", FaultCode)
def test_each_fault_has_a_phrase(code: FaultCode) -> None:
    assert len(fault_sentences([Fault(code=code, values=("web",))])) > len("web")
    assert fault_sentences([]) == ""
