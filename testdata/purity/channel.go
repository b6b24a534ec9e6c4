// breaks: channel

package checked

func send(c chan<- int) { c <- 1 }
