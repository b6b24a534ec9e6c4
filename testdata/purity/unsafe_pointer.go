// breaks: import

package checked

import "unsafe"

func address(p *int) uintptr { return uintptr(unsafe.Pointer(p)) }
