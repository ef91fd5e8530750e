package main

// #cgo LDFLAGS: -ltokenmgr
// #include <stdlib.h>
// #include <tokenmgr.h>
import "C"

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"unsafe"
)

func taken(err *C.tm_error) error {
	defer C.tm_error_free(err)
	return errors.New(C.GoString(C.tm_error_message(err)))
}

func get(tm *C.tm_manager, path string, into any) error {
	method, url := C.CString("GET"), C.CString(path)
	defer C.free(unsafe.Pointer(method))
	defer C.free(unsafe.Pointer(url))
	var err *C.tm_error
	response := C.tm_request(tm, method, url, nil, 0, nil, &err)
	if response == nil {
		return taken(err)
	}
	defer C.tm_response_free(response)
	if refused := C.tm_response_error(response); refused != nil { // a 4xx or 5xx: borrowed, never freed
		return errors.New(C.GoString(C.tm_error_message(refused)))
	}
	body := C.GoBytes(C.tm_response_body(response), C.int(C.tm_response_body_len(response)))
	return json.Unmarshal(body, into)
}

func main() {
	var err *C.tm_error
	tm := C.tm_new(nil, nil, nil, nil, &err) // host and credentials from the environment
	if tm == nil {
		log.Fatal(taken(err))
	}
	defer C.tm_free(tm)
	var products struct{ Data []struct{ Name string } }
	if err := get(tm, "/api/v1/products", &products); err != nil {
		log.Fatal(err)
	}
	for _, product := range products.Data {
		fmt.Println(product.Name)
	}
}
