// breaks: float, import

package checked

import "math"

func root(n int) int { return int(math.Sqrt(float64(n))) }
