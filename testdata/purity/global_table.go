// breaks: global

package checked

var counts [4]int

func count(n int) { counts[n]++ }
