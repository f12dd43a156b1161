# Targets for developers and for the package build; `make help` lists them. The tests are run by tools/test.

PYTHON ?= /usr/bin/python3
DESTDIR ?=
PARTS ?=

.PHONY: help check test test-all faults faults-power faults-reports faults-docker forecast fuzz daemon-faults deb bench install install-endpoint clean

help:
	@echo "make check          lint and types"
	@echo "make test           run the tests on Debian 12 and 13 (root)"
	@echo "make test-all       run all tests on Debian 12, 13 and testing (root)"
	@echo "make faults         cut power at many points of an upgrade, deliver 10,000 events through faults, upgrade Docker"
	@echo "                    through 40 faults (root); PARTS=\"power reports docker\" for some parts"
	@echo "make forecast       compare forecast and measured downtime of Docker and of Weave in five rounds of upgrades and ways back (root)"
	@echo "make fuzz           a million damaged inputs for every parser of foreign text, guided by coverage"
	@echo "make daemon-faults  kill the daemon during jobs and let the agent upgrade itself, many times (root)"
	@echo "make deb            build the Debian packages into build/"
	@echo "make bench          benchmark against the peers (root); PARTS=\"planning upgrade\" for some parts"
	@echo "make install        install the agent below DESTDIR, as the package does"
	@echo "make install-endpoint  the same for the endpoint"

check:
	tools/check

test:
	tools/test

test-all:
	MAESTRO_TEST_THOROUGH=1 MAESTRO_TEST_RELEASES="bookworm trixie forky" tools/test

faults: $(addprefix faults-,$(or $(PARTS),power reports docker))

faults-power:
	$(PYTHON) -m tests.faults.power_cuts

faults-reports:
	MAESTRO_TEST_THOROUGH=1 $(PYTHON) -m pytest -q -s tests/report/endpoint/test_faults.py -k kills_of_the_daemon

faults-docker:
	$(PYTHON) -m tests.faults.docker_upgrades

forecast:
	MAESTRO_FORECAST_ROUNDS=5 $(PYTHON) -m pytest -q -s tests/machines/test_docker_forecast.py tests/machines/test_weave_forecast.py

fuzz:
	tools/test-tools
	tools/fuzz

daemon-faults:
	$(PYTHON) -m tests.faults.daemon_kills

deb:
	tools/build-deb

bench:
	$(PYTHON) -m benchmarks $(PARTS)

install:
	install -d $(DESTDIR)/usr/share/maestro-agent $(DESTDIR)/usr/bin $(DESTDIR)/usr/libexec/maestro-agent $(DESTDIR)/etc/maestro-agent/config.d \
		$(DESTDIR)/etc/maestro-agent/notify.d
	find agent -name '*.py' -exec install -D -m 644 '{}' '$(DESTDIR)/usr/share/maestro-agent/{}' ';'
	install -m 755 bin/maestro-agent $(DESTDIR)/usr/bin/maestro-agent
	install -m 755 bin/worker $(DESTDIR)/usr/libexec/maestro-agent/worker
	install -D -m 644 completion/maestro-agent.bash \
		$(DESTDIR)/usr/share/bash-completion/completions/maestro-agent
	install -D -m 644 completion/_maestro-agent $(DESTDIR)/usr/share/zsh/vendor-completions/_maestro-agent
	install -D -m 644 completion/maestro-agent.fish \
		$(DESTDIR)/usr/share/fish/vendor_completions.d/maestro-agent.fish
	install -D -m 644 -t $(DESTDIR)/usr/share/maestro-agent/schemas schemas/*.json
	install -D -m 755 debian/update-motd $(DESTDIR)/etc/update-motd.d/95-maestro-agent

install-endpoint:
	install -d $(DESTDIR)/usr/share/maestro-endpoint/schemas $(DESTDIR)/usr/bin $(DESTDIR)/etc/maestro-endpoint
	find endpoint -type f '(' -name '*.py' -o -path '*/pages/templates/*' -o -path '*/pages/static/*' ')' \
		-exec install -D -m 644 '{}' '$(DESTDIR)/usr/share/maestro-endpoint/{}' ';'
	install -m 644 schemas/*.json $(DESTDIR)/usr/share/maestro-endpoint/schemas
	install -m 755 bin/maestro-endpoint $(DESTDIR)/usr/bin/maestro-endpoint
	install -D -m 644 completion/maestro-endpoint.bash \
		$(DESTDIR)/usr/share/bash-completion/completions/maestro-endpoint
	install -D -m 644 completion/_maestro-endpoint $(DESTDIR)/usr/share/zsh/vendor-completions/_maestro-endpoint
	install -D -m 644 completion/maestro-endpoint.fish \
		$(DESTDIR)/usr/share/fish/vendor_completions.d/maestro-endpoint.fish

clean:
	rm -rf build .venv .mypy_cache .ruff_cache .pytest_cache
	find agent endpoint tests benchmarks -name __pycache__ -type d -exec rm -rf '{}' +
