// breaks: panic

package checked

func fail() { panic("no") }
