"""Every layer, optimizer and metric of Keras, in tiny trainings with wk's callbacks."""
