// breaks: import

package checked

import "fmt"

func show(state map[string]*int) string { return fmt.Sprint(state) }
