// breaks: float

package checked

import "strconv"

func whole(s string) int64 {
	v, _ := strconv.ParseFloat(s, 64)
	return int64(v)
}
