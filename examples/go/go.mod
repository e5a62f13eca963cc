module github.com/deis/example-go

go 1.21

require github.com/julienschmidt/httprouter v1.3.0
