"""Each code of an engine's plan has a sentence."""

import pytest

from agent.core.docker.verify import Fault, FaultCode
from agent.core.model.engine_plan import Block, EngineWarning, EngineWhy, Notice
from agent.report.engine_faults import fault_sentences
from agent.report.engine_reasons import block_sentence, warning_sentence


@pytest.mark.parametrize("why", EngineWhy)
def test_each_block_has_a_sentence_with_its_parameters(why: EngineWhy) -> None:
    assert "27.3.1" in block_sentence(Block(why=why, values=("27.3.1",)))


def test_a_downgrade_names_the_option_that_allows_it_if_there_is_one() -> None:
    refused = Block(why=EngineWhy.DOWNGRADE_REFUSED, values=("26.1.5", "20.10.24", "--allow-major-downgrade"))
    never = Block(why=EngineWhy.DOWNGRADE_REFUSED, values=("2.8.1", "1.9.4", "none"))

    assert "`--allow-major-downgrade`" in block_sentence(refused)
    assert "none" not in block_sentence(never)


def test_only_root_may_connect_is_another_sentence_than_an_engine_that_does_not_answer() -> None:
    denied = Block(why=EngineWhy.UNRESPONSIVE, values=("Docker's API: GET /version: Permission denied",))

    assert "root" in block_sentence(denied)
    assert "journalctl" not in block_sentence(denied)


def test_what_is_not_installed_is_no_kind_of_installation() -> None:
    assert "none" not in block_sentence(Block(why=EngineWhy.UNSUPPORTED_FLAVOUR, values=("none",)))


def test_a_mistake_in_the_manifest_is_not_one_of_the_engines_configuration() -> None:
    mistake = "/etc/maestro-agent/manifest.yml:3: unknown key"

    assert "daemon.json" not in block_sentence(Block(why=EngineWhy.CONFIG_INVALID, values=(mistake,)))


@pytest.mark.parametrize("code", EngineWarning)
def test_each_warning_has_a_sentence(code: EngineWarning) -> None:
    assert warning_sentence(Notice(code=code, values=("web",)))


@pytest.mark.parametrize("code", FaultCode)
def test_each_fault_has_a_phrase(code: FaultCode) -> None:
    assert len(fault_sentences([Fault(code=code, values=("web",))])) > len("web")
    assert fault_sentences([]) == ""
