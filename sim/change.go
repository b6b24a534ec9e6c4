package sim

// Members that come and go.

// transfer has a leader give leadership away.
func (n *node) transfer() bool {
	leader := n.world.leader()
	if leader == nil {
		return false
	}
	leader.group.Group().AskTransfer(0, func(err error) { n.world.say("transfer from %s: %v", leader.name, err) })
	leader.poke()
	return true
}

func (f *faults) damage(k kind, n *node) bool { return false }
func (f *faults) replace(n *node) bool        { return false }
