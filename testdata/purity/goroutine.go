// breaks: goroutine

package checked

func start(f func()) { go f() }
