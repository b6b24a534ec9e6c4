// breaks: print

package checked

import "fmt"

type state struct{ byName map[string]*int }

func (s *state) describe() string { return fmt.Sprintf("%d of %v", len(s.byName), s) }
