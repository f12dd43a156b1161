"""[metrics] and [otlp]: one valid file, and one mutation of it for each misconfiguration."""

from datetime import timedelta
from pathlib import Path

import pytest

from agent.config.load import load
from agent.core.policy.distro import Distro
from agent.core.policy.policy import MetricsPolicy, OtlpPolicy, Policy
from agent.errors import ConfigError

DEBIAN = Distro(id="debian", codename="bookworm", version="12")
GOOD = """\
[metrics]
textfile = "/var/lib/prometheus/node-exporter/maestro.prom"
compatible_names = true

[otlp]
url = "https://collector.example:4318/otlp/"
headers_file = "/etc/maestro-agent/otlp-headers"
ca_file = "/etc/maestro-agent/ca.pem"
timeout = "10s"
logs = false
metrics = true
"""
ADDRESS = "collector.example:4318/otlp/"


def loaded(directory: Path, text: str) -> Policy:
    (directory / "config.toml").write_text(text)
    return load(directory / "config.toml", DEBIAN)[0]


def test_a_valid_file_sets_every_field(tmp_path: Path) -> None:
    policy = loaded(tmp_path, GOOD)

    assert policy.metrics == MetricsPolicy(
        textfile="/var/lib/prometheus/node-exporter/maestro.prom", compatible_names=True
    )
    assert policy.otlp == OtlpPolicy(
        url="https://collector.example:4318/otlp",
        headers_file="/etc/maestro-agent/otlp-headers",
        ca_file="/etc/maestro-agent/ca.pem",
        timeout=timedelta(seconds=10),
        logs=False,
        metrics=True,
    )


def test_no_exporter_is_enabled_by_default(tmp_path: Path) -> None:
    policy = loaded(tmp_path, "")

    assert (policy.metrics.textfile, policy.otlp.url) == ("", "")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:4318",
        "http://localhost:4318",
        "http://[::1]:4318",
        "https://[2001:db8::1]",
        "https://collector.example",
        "https://10.0.0.7:4318/a/b",
        "http://10.0.0.7:4318",
    ],
)
def test_a_valid_collector_url_is_accepted(tmp_path: Path, url: str) -> None:
    assert loaded(tmp_path, f'[otlp]\nurl = "{url}"\n').otlp.url == url


@pytest.mark.parametrize("host", ["127.0.0.1:4318", "127.8.8.8", "localhost:4318", "[::1]:4318"])
def test_headers_may_be_sent_to_this_machine_without_tls(tmp_path: Path, host: str) -> None:
    assert loaded(tmp_path, f'[otlp]\nurl = "http://{host}"\nheaders_file = "/x"\n').otlp.headers_file == "/x"


_URL = "accepted: a URL such as"
_MUTATIONS = [
    ("/maestro.prom", "/maestro.txt", "metrics.textfile = ", "the absolute path of a file that ends in .prom"),
    ("/maestro.prom", "/.prom", "metrics.textfile = ", "the absolute path of a file that ends in .prom"),
    ('"/var/lib/prometheus', '"prometheus', "metrics.textfile = ", "accepted: an absolute path"),
    ("compatible_names = true", "compatible_names = 1", "metrics.compatible_names = 1", "accepted: true or false"),
    ("compatible_names", "compatible", "unknown key 'metrics.compatible'", "did you mean 'metrics.compatible_names'?"),
    (f"https://{ADDRESS}", ADDRESS, "otlp.url = ", _URL),
    (f"https://{ADDRESS}", f"ftp://{ADDRESS}", "otlp.url = ", _URL),
    (f"https://{ADDRESS}", f"https://{ADDRESS}?token=1", "otlp.url = ", _URL),
    (f"https://{ADDRESS}", f"https://{ADDRESS}#a", "otlp.url = ", _URL),
    (f"https://{ADDRESS}", "https://", "otlp.url = ", _URL),
    (f"https://{ADDRESS}", "https://a b", "otlp.url = ", _URL),
    (f"https://{ADDRESS}", "https://a:99999", "otlp.url = ", _URL),
    (f"https://{ADDRESS}", "https://[1.2.3.4]:4318", "otlp.url = ", _URL),
    (f"https://{ADDRESS}", "https://[::::::]", "otlp.url = ", _URL),
    (f"https://{ADDRESS}", "https://a..b", "otlp.url = ", _URL),
    (f"https://{ADDRESS}", f"https://{'a' * 64}.b", "otlp.url = ", _URL),
    (f'"https://{ADDRESS}"', "4318", "otlp.url = 4318", _URL),
    (f"https://{ADDRESS}", f"https://{ADDRESS}v1/logs", "otlp.url = ", "without /v1/logs"),
    (f"https://{ADDRESS}", f"https://{ADDRESS}v1/metrics/", "otlp.url = ", "without /v1/logs"),
    ('"/etc/maestro-agent/otlp-headers"', '"otlp-headers"', "otlp.headers_file = ", "accepted: an absolute path"),
    ('"/etc/maestro-agent/ca.pem"', "true", "otlp.ca_file = True", "accepted: an absolute path"),
    ('timeout = "10s"', 'timeout = "10m"', "otlp.timeout = '10m'", """a duration from "1s" to "5m\""""),
    ("metrics = true", 'metrics = "true"', "otlp.metrics = 'true'", "accepted: true or false"),
    ("metrics = true", "metrics = false", "otlp.url = ", "so nothing would be sent"),
]


@pytest.mark.parametrize(("good", "bad", "key", "message"), _MUTATIONS, ids=[bad for _, bad, _, _ in _MUTATIONS])
def test_one_mistake_is_one_problem_that_names_file_key_and_accepted_values(
    tmp_path: Path, good: str, bad: str, key: str, message: str
) -> None:
    assert GOOD.count(good) == 1

    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, GOOD.replace(good, bad))

    (problem,) = str(caught.value).splitlines()
    assert problem.startswith(f"{tmp_path / 'config.toml'}: {key}")
    assert message in problem


@pytest.mark.parametrize("host", ["10.0.0.7:4318", "collector.example", "localhost.example", "[2001:db8::1]"])
def test_headers_may_not_be_sent_to_another_machine_without_tls(tmp_path: Path, host: str) -> None:
    with pytest.raises(ConfigError, match=r"accepted with otlp\.headers_file: https, or an address of this machine"):
        loaded(tmp_path, f'[otlp]\nurl = "http://{host}"\nheaders_file = "/x"\n')


def test_a_proxy_gets_nothing_in_clear_text(tmp_path: Path) -> None:
    text = '[endpoint]\nurl = "{}://127.0.0.1:8443"\nproxy = "http://proxy.example.org:3128"\n'
    with pytest.raises(ConfigError, match=r"endpoint\.proxy = .*: accepted with an endpoint\.url that is https"):
        loaded(tmp_path, text.format("http"))

    assert loaded(tmp_path, text.format("https")).endpoint.proxy == "http://proxy.example.org:3128"


def test_a_ca_file_requires_https(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"accepted with otlp\.ca_file: https"):
        loaded(tmp_path, '[otlp]\nurl = "http://127.0.0.1:4318"\nca_file = "/x"\n')


@pytest.mark.parametrize("address", ["https://me:s3cr3t@collector.example", "https://s3cr3t@collector.example/x"])
def test_a_password_in_a_url_is_rejected_and_redacted(tmp_path: Path, address: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, f'[otlp]\nurl = "{address}"\n')

    assert _URL in str(caught.value)
    assert "//...@collector.example" in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("otlp.url", "https://me:s3cr 3t@collector.example"),
        ("otlp.url", "https://collector.example/?api-key=s3cr3t"),
        ("endpoint.url", "https://endpoint.example/#a?token=s3cr3t"),
        ("endpoint.proxy", "me:s3cr3t@proxy.example:3128"),
        ("endpoint.token_file", "s3cr3t"),
        ("endpoint.client_key", "-----BEGIN PRIVATE KEY-----s3cr3t"),
        ("otlp.headers_file", "Authorization: Bearer s3cr3t"),
    ],
)
def test_a_misplaced_secret_is_rejected_and_redacted(tmp_path: Path, key: str, value: str) -> None:
    section, name = key.split(".")

    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, f'[{section}]\n{name} = "{value}"\n')

    assert f"{key} = " in str(caught.value)
    assert "s3cr" not in str(caught.value)


ENROL = """\
[endpoint]
url = "https://endpoint.example.org"
enrolment_key_file = "/etc/maestro-agent/enrolment-key"
"""


def test_an_enrolment_key_takes_the_place_of_a_token(tmp_path: Path) -> None:
    assert loaded(tmp_path, ENROL).endpoint.enrolment_key_file == "/etc/maestro-agent/enrolment-key"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f'{ENROL}token_file = "/etc/token"\n', "endpoint.enrolment_key_file: not with endpoint.token_file"),
        (ENROL.replace("https://endpoint.example.org", ""), "requires endpoint.url"),
        (
            ENROL.replace("/etc/maestro-agent/", ""),
            "endpoint.enrolment_key_file = 'enrolment-key': accepted: an absolute",
        ),
    ],
    ids=["with a token", "without a URL", "no path"],
)
def test_an_enrolment_key_that_cannot_be_used_is_named(text: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text)

    assert problem in str(caught.value)
