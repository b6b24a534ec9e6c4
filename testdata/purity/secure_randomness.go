// breaks: import

package checked

import "crypto/rand"

func token() string { return rand.Text() }
