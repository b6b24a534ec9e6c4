// Package peer is the connections between the nodes of a cluster, and the certificates by which they know each other.
package peer
