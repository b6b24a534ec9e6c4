package auth

import "github.com/zeebo/xxh3"

// ShardOf is the shard in which the account of a login lives, in a house of so many shards. It never changes: an
// account that was opened under another rule would not be found by its login, and its login could be taken twice. The
// hash is xxh3 (64 bits, seed 0) of the login's bytes; the shard is its remainder by the number of shards.
func ShardOf(login string, shards int) uint16 {
	return uint16(xxh3.HashString(login) % uint64(shards))
}
