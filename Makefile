# Every target is one line: what it does stands in scripts/, and `make help` prints what follows the two #.
SHELL := bash

.PHONY: help web run test check lint vuln fuzz bench surge race kill drill bench-cluster sim planted sdk screen screen-figures screens setup tools clean attack width capacity
help: ## what can be made
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 8
web: ## build the web app into the binary's folder, when its sources are newer
	@scripts/setup.sh run && scripts/web.sh
run: ## set up what is missing and start the whole house on this machine, with demo accounts
	@scripts/setup.sh run && scripts/web.sh && exec go run . serve $(ARGS)
test: ## set up what is missing and run every test, the canary and the published SDKs
	@scripts/setup.sh test && scripts/web.sh && scripts/test.sh
check: ## seconds: gofmt, vet, the import table, the purity of core/, tidiness
	@scripts/check.sh
lint: bin/golangci-lint ## golangci-lint over everything
	@bin/golangci-lint run ./... && cd test/sdk/go && ../../../bin/golangci-lint run -c ../../../.golangci.yml ./...
vuln: bin/govulncheck ## known vulnerabilities in what is called
	@bin/govulncheck ./...
fuzz: ## every fuzz target for FUZZTIME (1m) each; PKG=./szse narrows
	@scripts/fuzz.sh
bench: ## the benchmarks, each beside its reference
	@scripts/setup.sh run && scripts/bench.sh $(ARGS)
surge: ## what the door does at ten times what a server carries, beside a server without: a table, JSON in OUT (bin/surge)
	@scripts/setup.sh run && go build -o bin/evenkeel . && bin/evenkeel surge --out $${OUT:-bin/surge} $(ARGS)
attack: ## attacks of seven kinds, and those of slowhttptest and h2load, on a server of its own, beside an honest client: a table, JSON in OUT (bin/attack)
	@scripts/setup.sh test && go build -o bin/evenkeel . && bin/evenkeel attack --out $${OUT:-bin/attack} $(ARGS)
capacity: ## the knee of each kind of load, multiples of it, what ends first: a report in capacity-reports/
	@scripts/setup.sh run && go build -o bin/evenkeel . && bin/evenkeel capacity $(ARGS)
width: ## how many clients market data reaches at once, beside a plain broadcast: a table, JSON in OUT (bin/width)
	@scripts/setup.sh run && go build -o bin/evenkeel . && bin/evenkeel width --out $${OUT:-bin/width} $(ARGS)
race: ## every package under the race detector
	@scripts/setup.sh test && CGO_ENABLED=1 go test -race -shuffle=on -timeout 40m ./...
kill: ## kill -9 of broker and exchange at random moments, KILLS (200) times
	@EVENKEEL_KILLS=$${KILLS:-200} go test -count=1 -v -timeout 60m -run Kill $${PKG:-./...}
sim: ## the house in a made-up world: SEEDS (1000) from FROM (1); SEEDS=1 FROM=n TRACE=1 tells one
	@scripts/sim.sh
planted: ## the simulation finds every bug that is planted in the house, BUGS="a b" only those
	@scripts/sim.sh planted
drill: ## every kind of fault on real processes: TRIALS (1) of each, FAULTS=a,b only those, the report in OUT (bin/drill)
	@scripts/setup.sh test && scripts/drill.sh $(ARGS)
bench-cluster: ## orders through three nodes, beside etcd and PostgreSQL in the same run
	@scripts/setup.sh test && scripts/bench-cluster.sh $(ARGS)
sdk: ## the three published SDKs against a running house
	@scripts/setup.sh test && go test -count=1 -v -timeout 10m ./test/sdk
screen: ## the web app in a real Chromium, at both sizes and in both languages; SPECS=login,board only those
	@scripts/setup.sh test && scripts/web.sh && go test -count=1 -v -timeout 15m ./test/screen
screen-figures: ## what the screen promises, measured: first load, 200 live securities, order to accepted, Lighthouse; ARGS="rows order" only those
	@scripts/setup.sh test && scripts/web.sh && go build -o bin/evenkeel . && node test/screen/figures.mjs $(ARGS)
screens: ## the pictures of docs/screens anew, every page at both sizes; ARGS="board trade" only those
	@scripts/setup.sh test && scripts/web.sh && go build -o bin/evenkeel . && node test/screen/pictures.mjs $(ARGS)
setup: ## install what is missing for make test; does nothing when all is there
	@scripts/setup.sh test
tools: bin/golangci-lint bin/govulncheck bin/benchstat ## build the developer tools into bin/
bin/golangci-lint bin/govulncheck bin/benchstat &: tools/go.mod tools/go.sum
	@mkdir -p bin && go build -C tools -o ../bin/ tool && touch bin/golangci-lint bin/govulncheck bin/benchstat
clean: ## remove what was built and fetched, never data/
	@rm -rf bin evenkeel test/sdk/*/node_modules test/openapi/node_modules test/screen/node_modules web/node_modules && go clean -testcache
