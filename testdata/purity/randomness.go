// breaks: import

package checked

import "math/rand/v2"

func dice() int { return rand.IntN(6) }
