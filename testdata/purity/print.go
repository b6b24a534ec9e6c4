// breaks: print

package checked

func tell(n int) { println(n) }
