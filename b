controller 3066693
database 12040136
etcd 16836393
builder 3292095
router 4743126
publisher 697648
logspout 349973
logger 822651
