module evenkeel/test/sdk/go

go 1.26.0

require (
	github.com/alpacahq/alpaca-trade-api-go/v3 v3.10.0
	github.com/shopspring/decimal v1.3.1
)

require (
	cloud.google.com/go v0.118.0 // indirect
	github.com/coder/websocket v1.8.12 // indirect
	github.com/josharian/intern v1.0.0 // indirect
	github.com/mailru/easyjson v0.7.7 // indirect
	github.com/vmihailenco/msgpack/v5 v5.3.0 // indirect
	github.com/vmihailenco/tagparser/v2 v2.0.0 // indirect
)
