"""The generative models behind decoders, and the networks that `pretrain` trains for them."""
