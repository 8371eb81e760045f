module messagingbridge.io/tests/cluster/images

go 1.26.0
