package deps

import (
	_ "github.com/coder/websocket"
	_ "github.com/google/uuid"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/HdrHistogram/hdrhistogram-go"
	_ "github.com/prometheus/client_golang/prometheus/promhttp"
	_ "github.com/vmihailenco/msgpack/v5"
	_ "github.com/zeebo/xxh3"
	_ "go.etcd.io/etcd/server/v3/storage/wal"
	_ "go.etcd.io/raft/v3"
	_ "golang.org/x/crypto/argon2"
	_ "golang.org/x/time/rate"
	_ "golang.org/x/sync/errgroup"
	_ "modernc.org/sqlite"
	_ "github.com/oklog/ulid/v2"
	_ "github.com/getkin/kin-openapi/openapi3"
	_ "gopkg.in/yaml.v3"
)
