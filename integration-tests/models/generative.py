"""Models that generate: autoencoders, adversarial networks, diffusion."""

from functools import partial
from typing import Any

import numpy as np

from models.example import EAGER_BACKENDS, SAMPLES, example
from models.steps import descend, gradient_norms
from wk_core.compat.keras.flavour import keras

layers, ops = keras.layers, keras.ops

_IMAGES = np.random.default_rng(0).random((SAMPLES, 6, 6, 1)).astype("float32")
_ROWS = np.random.default_rng(1).random((SAMPLES, 6)).astype("float32")
_OWN_STEP = {"backends": EAGER_BACKENDS, "gradients": False}
_NO_CONFIG = "models in the constructor, and no `get_config`"


def _images() -> tuple[Any, ...]:
    return (_IMAGES,)


def _rows() -> tuple[Any, ...]:
    return (_ROWS,)


def _rows_to_rows() -> tuple[Any, ...]:
    return _ROWS, _ROWS


def _dense(inputs: int, outputs: int, **arguments: Any) -> Any:
    return keras.Sequential(
        [
            keras.Input((inputs,)),
            layers.Dense(5, activation="tanh"),
            layers.Dense(outputs, **arguments),
        ]
    )


class Sampling(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Draws a code from the normal distribution with a mean and a log variance."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.seed = keras.random.SeedGenerator(3)

    def call(self, inputs: Any) -> Any:
        mean, log_variance = inputs
        return mean + ops.exp(0.5 * log_variance) * keras.random.normal(
            ops.shape(mean), seed=self.seed
        )


def _encoder() -> Any:
    inputs = keras.Input((6,))
    hidden = layers.Dense(5, activation="relu")(inputs)
    mean, log_variance = layers.Dense(2)(hidden), layers.Dense(2)(hidden)
    return keras.Model(inputs, [mean, log_variance, Sampling()([mean, log_variance])])


class VAE(keras.Model):  # type: ignore[misc]
    """Encoder and decoder in the constructor, and trackers of the parts of the loss."""

    def __init__(self, encoder: Any, decoder: Any) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.divergence = keras.metrics.Mean(name="divergence")

    def call(self, inputs: Any) -> Any:
        return self.decoder(self.encoder(inputs)[2])

    def losses_of(self, inputs: Any) -> tuple[Any, Any]:
        """Returns the loss, and its part that is about the code."""
        mean, log_variance, code = self.encoder(inputs)
        error = ops.mean(ops.square(self.decoder(code) - inputs))
        divergence = -0.5 * ops.mean(1 + log_variance - mean**2 - ops.exp(log_variance))
        return error + divergence, divergence


class VAEByLoss(VAE):
    """Says what its loss is; Keras does the steps."""

    @property
    def metrics(self) -> list[Any]:
        return [*super().metrics, self.divergence]

    def compute_loss(self, x: Any = None, *_: Any, **__: Any) -> Any:
        loss, divergence = self.losses_of(x)
        self.divergence.update_state(divergence)
        return loss


class VAEBySteps(VAE):
    """Does its own steps."""

    def __init__(self, *networks: Any) -> None:
        super().__init__(*networks)
        self.total = keras.metrics.Mean(name="loss")

    @property
    def metrics(self) -> list[Any]:
        return [self.total, self.divergence]

    def train_step(self, data: Any) -> Any:
        parts = []

        def loss() -> Any:
            parts.append(self.losses_of(data))
            return parts[-1][0]

        self.total.update_state(descend(self.optimizer, self.trainable_variables, loss))
        self.divergence.update_state(parts[-1][1])
        return {metric.name: metric.result() for metric in self.metrics}


@example(_rows, no_archive=_NO_CONFIG)
def vae() -> Any:
    """A variational autoencoder by its loss."""
    model = VAEByLoss(_encoder(), _dense(2, 6))
    model.compile(keras.optimizers.Adam(0.01))
    model(_ROWS[:1])
    return model


@example(_rows, no_archive=_NO_CONFIG, **_OWN_STEP)
def vae_with_own_steps() -> Any:
    """A variational autoencoder with a `train_step`."""
    model = VAEBySteps(_encoder(), _dense(2, 6))
    model.compile(keras.optimizers.Adam(0.01))
    model(_ROWS[:1])
    return model


class GAN(keras.Model):  # type: ignore[misc]
    """Two networks, each with an optimizer that `compile` is given."""

    updates = 1

    def __init__(self) -> None:
        super().__init__()
        self.generator = keras.Sequential(
            [
                keras.Input((3,)),
                layers.Dense(9),
                layers.Reshape((3, 3, 1)),
                layers.Conv2DTranspose(1, 3, strides=2, padding="same"),
                layers.BatchNormalization(),
            ]
        )
        self.discriminator = keras.Sequential(
            [
                keras.Input((6, 6, 1)),
                layers.Conv2D(2, 3, strides=2),
                layers.LeakyReLU(0.2),
                layers.Flatten(),
                layers.Dropout(0.2, seed=5),
                layers.Dense(1),
            ]
        )
        self.noise = keras.random.SeedGenerator(4)
        self.d_loss = keras.metrics.Mean(name="d_loss")
        self.g_loss = keras.metrics.Mean(name="g_loss")

    def compile(self, d_optimizer: Any, g_optimizer: Any) -> None:
        super().compile()
        self.d_optimizer, self.g_optimizer = d_optimizer, g_optimizer

    @property
    def metrics(self) -> list[Any]:
        return [self.d_loss, self.g_loss]

    def call(self, images: Any) -> Any:
        return self.discriminator(images)

    def generated(self, images: Any) -> Any:
        """Returns as many images as it is given."""
        code = keras.random.normal((ops.shape(images)[0], 3), seed=self.noise)
        return self.generator(code, training=True)

    def discriminator_loss(self, real: Any, fake: Any) -> Any:
        """Returns what the discriminator makes small."""
        scores = ops.concatenate([self.discriminator(real), self.discriminator(fake)], axis=0)
        truth = ops.concatenate([ops.ones_like(scores[:8]), ops.zeros_like(scores[8:])], axis=0)
        return ops.mean(keras.losses.binary_crossentropy(truth, scores, from_logits=True))

    def generator_loss(self, fake: Any) -> Any:
        """Returns what the generator makes small."""
        return ops.mean(ops.softplus(-self.discriminator(fake)))

    def train_step(self, images: Any) -> Any:
        for _ in range(self.updates):
            fake = ops.stop_gradient(self.generated(images))
            loss = descend(
                self.d_optimizer,
                self.discriminator.trainable_variables,
                partial(self.discriminator_loss, images, fake),
            )
            self.d_loss.update_state(loss)
        loss = descend(
            self.g_optimizer,
            self.generator.trainable_variables,
            lambda: self.generator_loss(self.generated(images)),
        )
        self.g_loss.update_state(loss)
        return {metric.name: metric.result() for metric in self.metrics}


class WGAN(GAN):
    """Updates its critic several times a batch, with a penalty on the critic's gradients."""

    updates = 3

    def discriminator_loss(self, real: Any, fake: Any) -> Any:
        between = keras.random.uniform((ops.shape(real)[0], 1, 1, 1), seed=self.noise)
        norms = gradient_norms(self.discriminator, fake + between * (real - fake))
        difference = ops.mean(self.discriminator(fake)) - ops.mean(self.discriminator(real))
        return difference + 10 * ops.mean((norms - 1) ** 2)

    def generator_loss(self, fake: Any) -> Any:
        return -ops.mean(self.discriminator(fake))


class LateGAN(GAN):
    """Trains its generator from the fifth batch on: until then its optimizer has no variables."""

    def __init__(self) -> None:
        super().__init__()
        self.late = False

    def train_step(self, images: Any) -> Any:
        if self.late:
            return super().train_step(images)
        fake = ops.stop_gradient(self.generated(images))
        loss = descend(
            self.d_optimizer,
            self.discriminator.trainable_variables,
            lambda: self.discriminator_loss(images, fake),
        )
        self.d_loss.update_state(loss)
        return {metric.name: metric.result() for metric in self.metrics}


class Late(keras.callbacks.Callback):  # type: ignore[misc]
    """Has both networks train from the second epoch on."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        if epoch >= 1 and not self.model.late:
            self.model.late = True
            self.model.make_train_function(force=True)


def _compiled(model: Any) -> Any:
    decay = keras.optimizers.schedules.ExponentialDecay(0.02, 2, 0.8)
    model.compile(keras.optimizers.Adam(decay, beta_1=0.5), keras.optimizers.RMSprop(0.01))
    model(_IMAGES[:8])
    return model


@example(_images, monitor="d_loss", **_OWN_STEP)
def dcgan() -> Any:
    """A convolutional GAN."""
    return _compiled(GAN())


@example(_images, monitor="d_loss", **_OWN_STEP)
def wgan_gp() -> Any:
    """A Wasserstein GAN with gradient penalty."""
    return _compiled(WGAN())


@example(_images, monitor="d_loss", callbacks=lambda: [Late()], **_OWN_STEP)
def gan_with_warm_up() -> Any:
    """A GAN whose second optimizer comes into play later."""
    return _compiled(LateGAN())


class CycleGAN(keras.Model):  # type: ignore[misc]
    """Two generators, two discriminators, four optimizers in a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.there, self.back = _dense(3, 3), _dense(3, 3)
        self.judge_a, self.judge_b = _dense(3, 1), _dense(3, 1)

    def compile(self, there: Any, back: Any, judge_a: Any, judge_b: Any) -> None:
        super().compile()
        self.there_optimizer, self.back_optimizer = there, back
        self.judge_a_optimizer, self.judge_b_optimizer = judge_a, judge_b

    def call(self, inputs: Any) -> Any:
        return self.back(self.there(inputs[:, :3]))

    def train_step(self, data: Any) -> Any:
        a, b = data[:, :3], data[:, 3:]

        def cycle() -> Any:
            error = ops.mean(ops.abs(self.back(self.there(a)) - a))
            return error + ops.mean(ops.abs(self.there(self.back(b)) - b))

        def fooled() -> Any:
            return ops.mean((self.judge_b(self.there(a)) - 1) ** 2) + cycle()

        def fooled_back() -> Any:
            return ops.mean((self.judge_a(self.back(b)) - 1) ** 2) + cycle()

        def judged(judge: Any, real: Any, fake: Any) -> Any:
            return ops.mean((judge(real) - 1) ** 2) + ops.mean(judge(fake) ** 2)

        logs = {
            "there": descend(self.there_optimizer, self.there.trainable_variables, fooled),
            "back": descend(self.back_optimizer, self.back.trainable_variables, fooled_back),
        }
        for name, real, fake in (("judge_a", a, self.back(b)), ("judge_b", b, self.there(a))):
            judge, optimizer = getattr(self, name), getattr(self, f"{name}_optimizer")
            fixed = ops.stop_gradient(fake)
            logs[name] = descend(
                optimizer,
                judge.trainable_variables,
                partial(judged, judge, real, fixed),
            )
        return logs


@example(_rows, monitor="there", **_OWN_STEP)
def cyclegan() -> Any:
    """Four networks."""
    model = CycleGAN()
    model.compile(
        keras.optimizers.Adam(0.01),
        keras.optimizers.Adam(0.02),
        keras.optimizers.SGD(0.03, momentum=0.9),
        keras.optimizers.SGD(0.04),
    )
    model(_ROWS[:1])
    return model


class Diffusion(keras.Model):  # type: ignore[misc]
    """Predicts the noise in a sample; a second network follows the first one's mean."""

    def __init__(self) -> None:
        super().__init__()
        self.network, self.ema_network = _dense(7, 6), _dense(7, 6)
        self.ema_network.set_weights(self.network.get_weights())
        self.ema_network.trainable = False
        self.normalizer = layers.Normalization()
        self.draw = keras.random.SeedGenerator(6)

    def call(self, samples: Any, training: bool = False) -> Any:
        samples = self.normalizer(samples)
        times = keras.random.uniform((ops.shape(samples)[0], 1), seed=self.draw)
        noise = keras.random.normal(ops.shape(samples), seed=self.draw)
        mixed = ops.sqrt(1 - times) * samples + ops.sqrt(times) * noise
        network = self.network if training else self.ema_network
        return network(ops.concatenate([mixed, times], axis=1)) - noise

    def compute_loss(self, x: Any, y: Any, y_pred: Any, *_: Any, **__: Any) -> Any:  # noqa: ARG002
        return ops.mean(ops.square(y_pred))


class DiffusionBySteps(Diffusion):
    """Lets the second network follow after each step."""

    def train_step(self, data: Any) -> Any:
        logs = super().train_step(data)
        self.follow()
        return logs

    def follow(self) -> None:
        """Moves the second network a little towards the first."""
        for weight, mean in zip(self.network.weights, self.ema_network.weights, strict=True):
            mean.assign(0.9 * mean + 0.1 * weight)


class DiffusionByCalls(DiffusionBySteps):
    """Lets the second network follow when it is called, which goes without a step of its own."""

    def train_step(self, *arguments: Any) -> Any:
        return Diffusion.train_step(self, *arguments)

    def call(self, samples: Any, training: bool = False) -> Any:
        if training:
            self.follow()
        return super().call(samples, training=training)


def _diffusion(model: Any) -> Any:
    model.normalizer.adapt(_ROWS)
    schedule = keras.optimizers.schedules.CosineDecay(0.02, 12)
    model.compile(keras.optimizers.AdamW(schedule))
    model(_ROWS[:1])
    return model


@example(_rows, backends=EAGER_BACKENDS)
def ddpm() -> Any:
    """A diffusion model with a mean of its network, which no optimizer trains."""
    return _diffusion(DiffusionBySteps())


@example(_rows)
def ddpm_by_calls() -> Any:
    """The same with Keras' own steps."""
    return _diffusion(DiffusionByCalls())


class Tied(keras.layers.Layer):  # type: ignore[misc]
    """Decodes with the transposed kernel of another layer."""

    def __init__(self, dense: Any, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.dense = dense

    def build(self, _: Any) -> None:
        self.bias = self.add_weight(shape=(6,), name="bias")

    def call(self, inputs: Any) -> Any:
        return ops.matmul(inputs, ops.transpose(self.dense.kernel)) + self.bias


class TiedAutoencoder(keras.Model):  # type: ignore[misc]
    """Encodes and decodes with one kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = layers.Dense(3, activation="tanh")
        self.decoder = Tied(self.encoder)

    def call(self, inputs: Any) -> Any:
        return self.decoder(self.encoder(inputs))


@example(_rows_to_rows)
def tied_autoencoder() -> Any:
    """An autoencoder that decodes with the kernel that it encodes with."""
    model = TiedAutoencoder()
    model.compile(keras.optimizers.Nadam(0.01), "mse", metrics=["mae"])
    model(_ROWS[:1])
    return model
