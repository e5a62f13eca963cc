# make help says what there is. Long logic is in deploy/local/ and tests/.
SHELL := /bin/bash
LOCAL := deploy/local
GO_TEST_FLAGS ?= -p 2 -timeout 40m

# Settings are variables of make or of the environment: make up DEIS_NAME=second HTTP_PORT=8080
export DEIS_NAME HTTP_PORT HTTPS_PORT SSH_PORT HEALTH_PORT LISTEN DOMAIN CA_BUNDLE

.DEFAULT_GOAL := help
.PHONY: help engine build images up demo down clean status logs test test-unit test-fresh lint bench fuzz dist

help: ## what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

engine: ## find or install Docker, Compose and debootstrap, and start the engine
	@$(LOCAL)/engine.sh

build: ## compile the binaries into bin/
	@$(LOCAL)/images.sh compile

images: engine ## make the images that changed (REFRESH=1: the base anew)
	@$(LOCAL)/images.sh

up: images ## start the platform (DEIS_NAME HTTP_PORT HTTPS_PORT SSH_PORT HEALTH_PORT LISTEN DOMAIN)
	@$(LOCAL)/up.sh

demo: images ## start the platform, push an app to it, show its answer
	@$(LOCAL)/demo.sh

down: ## stop the platform and keep its data
	@$(LOCAL)/down.sh

clean: ## stop the platform and remove its data
	@$(LOCAL)/down.sh clean

status: ## show the components
	@$(LOCAL)/status.sh

logs: ## follow a component's log: make logs C=router
	@$(LOCAL)/logs.sh $(C)

lint: ## gofmt, vet, staticcheck, shellcheck
	@tests/lint.sh

test-unit: ## the tests that need no engine
	go test ./...

test: ## every test: installs what is missing, makes the images, starts platforms of its own
	@$(LOCAL)/engine.sh test
	@FAILPOINT=1 $(LOCAL)/images.sh
	@tests/lint.sh
	go test -tags integration,failpoint $(GO_TEST_FLAGS) ./...

test-fresh: images ## the demo on a bare Debian 12 with nothing installed, and an engine restart there
	@tests/fresh/run.sh

bench: images ## measure, and write docs/performance.md and bench/results/
	go run ./bench

fuzz: ## run each fuzz target 1,000,000 times (FUZZ_COUNT FUZZ_TARGETS), and note it in tests/fuzz.tsv
	@tests/fuzz.sh

dist: ## the command-line tools for other machines, with completion and manual pages, in dist/
	@$(LOCAL)/dist.sh
