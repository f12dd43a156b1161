"""The environment that children get."""

from agent.host.process.environment import system_environment, without_languages


def test_languages_are_replaced_and_all_else_kept_for_the_agents_own_programs() -> None:
    inherited = {
        "LANG": "de_DE.UTF-8",
        "LANGUAGE": "de",
        "LC_TIME": "de_DE",
        "LC_ALL": "de_DE",
        "HOME": "/x",
        "LCX": "1",
    }

    assert without_languages(inherited) == {"LC_ALL": "C.UTF-8", "HOME": "/x", "LCX": "1"}


def test_programs_of_the_system_inherit_proxies_and_nothing_else() -> None:
    inherited = {"http_proxy": "http://proxy:3128", "HTTPS_PROXY": "http://proxy", "LD_PRELOAD": "x", "PATH": "/x"}

    made = system_environment(inherited)

    assert made.keys() <= {"http_proxy", "HTTPS_PROXY", "LC_ALL", "HOME", "USER", "LOGNAME", "SHELL", "PATH"}
    assert made["http_proxy"] == "http://proxy:3128"
    assert made["PATH"].startswith("/usr/local/sbin:")
