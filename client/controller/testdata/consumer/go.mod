module example.com/consumer

go 1.26.8

require github.com/deis/deis v0.0.0

require github.com/gorilla/websocket v1.5.3 // indirect

replace github.com/deis/deis => ../../../..
